-- What a job allows each of its stages; null where it says nothing.
ALTER TABLE "job" ADD COLUMN "max_attempts" INTEGER;
ALTER TABLE "job" ADD COLUMN "attempt_seconds" DOUBLE PRECISION;
