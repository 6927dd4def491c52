import { expect, it } from 'vitest';
import { WebhookCreate, WebhookUpdate } from './webhook.js';

it('takes addresses of http and https without a user, and tells of the ends of jobs where nothing else is said', () => {
  expect(WebhookCreate.parse({ url: 'https://example.com/hook?x=1' })).toEqual({
    ...{ url: 'https://example.com/hook?x=1', labels: {}, enabled: true, description: '' },
    events: ['job.succeeded', 'job.failed', 'job.cancelled'],
  });
  for (const url of [
    'ftp://example.com',
    'https://user:secret@example.com/',
    'file:///etc/passwd',
    'nonsense',
  ])
    expect(WebhookCreate.safeParse({ url }).success, url).toBe(false);
});

it('changes what is given, and nothing else', () => {
  expect(WebhookUpdate.parse({ enabled: false })).toEqual({ enabled: false });
  expect(WebhookUpdate.safeParse({ secret: 'whsec_mine' }).success).toBe(false);
  for (const events of [[], ['job.succeeded', 'job.succeeded'], ['job.exploded']])
    expect(WebhookUpdate.safeParse({ events }).success).toBe(false);
});
