import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { signatureHeaders } from './signature.js';

const secrets = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);
const signed = {
  id: 'msg_1',
  timestamp: Math.floor(Date.now() / 1000),
  body: '{"type":"job.failed","text":"ü"}',
};

it('is one that the library of the specification verifies, by either secret', () => {
  const headers = signatureHeaders(signed, secrets);
  for (const secret of secrets)
    expect(new Webhook(secret).verify(signed.body, headers)).toEqual(JSON.parse(signed.body));
});

it('is none of another body, time, id or secret', () => {
  const headers = signatureHeaders(signed, [secrets[0]!]);
  const verify = (body: string, secret: string, more = {}) =>
    new Webhook(secret).verify(body, { ...headers, ...more });
  expect(() => verify('{"type":"job.succeeded"}', secrets[0]!)).toThrow('No matching signature');
  expect(() => verify(signed.body, secrets[1]!)).toThrow('No matching signature');
  expect(() => verify(signed.body, secrets[0]!, { 'webhook-id': 'msg_2' })).toThrow('No matching signature');
  const later = { 'webhook-timestamp': String(signed.timestamp + 1) };
  expect(() => verify(signed.body, secrets[0]!, later)).toThrow('No matching signature');
});

it('is the one of the example in the specification', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const body = '{"test": 2432232314}';
  const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
  const headers = signatureHeaders({ id, timestamp: 1614265330, body }, [secret]);
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});
