-- What is shown of a job beside its own row, as it was at its end: of an ended job nothing of it changes any more, and a list of jobs need
-- not gather it from their runs, stages and events each time. It counts while `ended_at` is that of the job; jobs that ended before have none.
CREATE TABLE "job_summary" (
    "job_id" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(3) NOT NULL,
    "parts" JSON NOT NULL,

    CONSTRAINT "job_summary_pkey" PRIMARY KEY ("job_id")
);
ALTER TABLE "job_summary" ADD CONSTRAINT "job_summary_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
