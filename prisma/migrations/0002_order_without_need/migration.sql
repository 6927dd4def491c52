-- A stage may have to come after another one without needing its result.
ALTER TABLE "stage_dependency" ADD COLUMN "needed" BOOLEAN NOT NULL DEFAULT true;
