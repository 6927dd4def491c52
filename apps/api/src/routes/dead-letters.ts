/** /v1/dead-letters: work that was given up after all of its tries, for those who keep the service running. */
import { DeadLetter, PageQuery, pageOf } from '@rela/contracts';
import { problems } from '../http/responses.js';
import type { Routes } from './route.js';

export const deadLetterRoutes: Routes = async (app) => {
  app.route({
    method: 'GET',
    url: '/v1/dead-letters',
    schema: {
      tags: ['dead letters'],
      operationId: 'listDeadLetters',
      summary: 'List stages that were given up after all of their tries, newest first',
      description:
        'Send them again by POST /v1/jobs/{id}/retry, or /v1/datasets/{id}/retry, when the cause is gone. A stage that failed by what it was given is not here: another try would not help it.',
      querystring: PageQuery,
      response: { 200: pageOf(DeadLetter), ...problems },
    },
    handler: (request) => request.database.deadLetters.list(request.query),
  });
};
