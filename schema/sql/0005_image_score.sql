-- What every validation image of a finished job scored with the best weights: schema/job/image_scores.h. Apart from job_text, as it may be
-- megabytes, and lists and views never need it.
CREATE TABLE image_score (
  job               INTEGER PRIMARY KEY REFERENCES job(number),
  scores            TEXT NOT NULL                     -- JSON, columns over the images
) STRICT;
