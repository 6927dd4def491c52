-- Of many stages that become possible at once, a portion is queued, and the job remembers where the next one begins.
ALTER TABLE "job" ADD COLUMN "possible_from" INTEGER;
