import { Redis, type RedisOptions } from 'ioredis';

/**
 * A client whose commands of one turn of the event loop leave in one write. A hundred stages may end in one transaction of Postgres, and of
 * each BullMQ takes the message away by a command of its own: as many calls of the system, each of which wakes Redis, which on a machine with
 * few processors takes the place of this process. ioredis's own pipelines would wait for the answers of one turn before they send the next.
 */
export class OneWriteRedis extends Redis {
  #held: Redis['stream'] | null = null;

  constructor(options: RedisOptions) {
    super({ ...options, replyMapping: 'legacy' });
  }

  override sendCommand(...parameters: Parameters<Redis['sendCommand']>): unknown {
    const socket = this.stream;
    if (socket && socket !== this.#held) {
      this.#held = socket;
      socket.cork();
      process.nextTick(() => {
        if (this.#held === socket) this.#held = null;
        socket.uncork();
      });
    }
    return super.sendCommand(...parameters);
  }
}
