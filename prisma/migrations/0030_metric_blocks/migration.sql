-- Metrics of a run lie in blocks of 64 steps, a row each, instead of a row a step: a sixth of the disk, and an entry of the index in 64.
-- Larger blocks save little more, and every batch of a run that is under way writes its last block anew.
ALTER TABLE "run_metric" RENAME TO "run_metric_step";
ALTER TABLE "run_metric_step" RENAME CONSTRAINT "run_metric_pkey" TO "run_metric_step_pkey";
ALTER TABLE "run_metric_step" RENAME CONSTRAINT "run_metric_run_id_fkey" TO "run_metric_step_run_id_fkey";

CREATE TABLE "run_metric" (
    "run_id" TEXT NOT NULL,
    "block" INTEGER NOT NULL,
    "step" INTEGER[] NOT NULL,
    "epoch" INTEGER[] NOT NULL,
    "rela" BOOLEAN[] NOT NULL,
    "loss" DOUBLE PRECISION[] NOT NULL,
    "rho" DOUBLE PRECISION[] NOT NULL,
    "classifier_accuracy" DOUBLE PRECISION[] NOT NULL,
    "seconds" DOUBLE PRECISION[] NOT NULL,

    CONSTRAINT "run_metric_pkey" PRIMARY KEY ("run_id","block"),
    CONSTRAINT "run_metric_length_check" CHECK (cardinality("step") BETWEEN 1 AND 64
      AND cardinality("epoch") = cardinality("step") AND cardinality("rela") = cardinality("step")
      AND cardinality("loss") = cardinality("step") AND cardinality("rho") = cardinality("step")
      AND cardinality("classifier_accuracy") = cardinality("step") AND cardinality("seconds") = cardinality("step"))
);

INSERT INTO "run_metric"
SELECT "run_id", ("step" - 1) / 64, array_agg("step" ORDER BY "step"), array_agg("epoch" ORDER BY "step"),
  array_agg("phase" = 'rela' ORDER BY "step"), array_agg("loss" ORDER BY "step"), array_agg("rho" ORDER BY "step"),
  array_agg("classifier_accuracy" ORDER BY "step"), array_agg("seconds" ORDER BY "step")
FROM "run_metric_step" GROUP BY 1, 2 ORDER BY 1, 2;
DROP TABLE "run_metric_step";

ALTER TABLE "run_metric" ADD CONSTRAINT "run_metric_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- Nobody looks for a value in them, and statistics of their elements take longer than those of everything else.
ALTER TABLE "run_metric" ALTER COLUMN "step" SET STATISTICS 0, ALTER COLUMN "epoch" SET STATISTICS 0, ALTER COLUMN "rela" SET STATISTICS 0,
  ALTER COLUMN "loss" SET STATISTICS 0, ALTER COLUMN "rho" SET STATISTICS 0, ALTER COLUMN "classifier_accuracy" SET STATISTICS 0,
  ALTER COLUMN "seconds" SET STATISTICS 0;
