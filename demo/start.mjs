// `npm run demo`: prepares the clone, then runs the demo. No dependency is imported before it is there.
import { runPrepared } from './prepare.mjs';

await runPrepared(async () => {
  const { main } = await import('./main.mjs');
  await main();
});
