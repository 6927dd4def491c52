-- What views of a data set are normalised with, and what a person should know of its images.
ALTER TABLE "dataset" ADD COLUMN "mean" JSONB,
ADD COLUMN "std" JSONB,
ADD COLUMN "warnings" JSONB NOT NULL DEFAULT '[]';
