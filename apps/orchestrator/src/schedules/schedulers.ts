/** The schedulers of the queue, kept as the rows of the schedules say: also those that a flush took away. */
import type { Database } from '@rela/database';
import type { Schedulers } from '@rela/queue';
import type { Logger } from 'pino';
import type { Outages } from '../outages.js';

export interface SchedulerKeeping {
  database: Pick<Database, 'schedules'>;
  schedulers: Pick<Schedulers, 'keep'>;
  outages: Outages;
  log: Pick<Logger, 'debug'>;
}

export async function keepSchedulers({
  database,
  schedulers,
  outages,
  log,
}: SchedulerKeeping): Promise<void> {
  const timetables = await outages.ask('database', () => database.schedules.timetables());
  const wanted = timetables.map(({ id: scheduleId, ...rest }) => ({ scheduleId, ...rest }));
  const changed = await outages.ask('queue', () => schedulers.keep(wanted));
  if (changed.made + changed.removed > 0) log.debug(changed, 'put the schedulers of the queue right');
}
