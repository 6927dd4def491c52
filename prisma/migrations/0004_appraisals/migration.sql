-- Priors are looked at before they are used, chosen from several, and blended.
ALTER TABLE "stage" DROP CONSTRAINT "stage_kind_check";
ALTER TABLE "stage" ADD CONSTRAINT "stage_kind_check" CHECK ("kind" IN ('ingest', 'appraise', 'choose', 'embed', 'join', 'reduce', 'train', 'evaluate'));
ALTER TABLE "stage_result" DROP CONSTRAINT "stage_result_kind_check";
ALTER TABLE "stage_result" ADD CONSTRAINT "stage_result_kind_check" CHECK ("kind" IN ('ingest', 'appraise', 'choose', 'embed', 'join', 'reduce', 'train', 'evaluate'));
ALTER TABLE "job_event" DROP CONSTRAINT "job_event_type_check";
ALTER TABLE "job_event" ADD CONSTRAINT "job_event_type_check" CHECK ("type" IN ('job', 'run', 'stage', 'switch', 'checkpoint', 'warning'));
