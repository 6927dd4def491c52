// Hello world on Fastify as it comes, in a process of its own: what one request costs at least.
import Fastify from 'fastify';

const app = Fastify();
app.get('/', async () => ({ hello: 'world' }));
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`${JSON.stringify({ url })}\n`);
process.stdin.on('end', () => app.close()).resume();
