/**
 * ONNX Runtime 1.30 reports to Microsoft from its first session on: what is run and on which machine, under an id that it keeps in
 * ~/.cache/Microsoft, with a log and a list of sessions in the temporary folder. Nobody asked for that here. To be imported, on the
 * main thread, by whoever opens sessions: a thread's own environment does not reach native code.
 */
process.env.ORT_DISABLE_TELEMETRY ??= '1';
