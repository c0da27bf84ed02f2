-- What an attempt sends while it runs: metrics, log lines, artifacts.

CREATE TABLE series (
  number            INTEGER PRIMARY KEY,
  job               INTEGER NOT NULL REFERENCES job(number),
  name              TEXT NOT NULL,                    -- loss/total, val/dice, time/images_per_s
  kind              TEXT NOT NULL CHECK (kind IN ('result', 'timing')), -- results are compared when replayed
  x                 TEXT NOT NULL CHECK (x IN ('step', 'epoch')),
  last_step         INTEGER,
  last_value        REAL,                             -- NULL = NaN
  UNIQUE (job, name)
) STRICT;

CREATE TABLE metric (
  series            INTEGER NOT NULL REFERENCES series(number),
  step              INTEGER NOT NULL,
  value             REAL,                             -- an IEEE double; NULL = NaN; infinities as they are; -0 is kept as 0
  attempt           INTEGER NOT NULL,                 -- the last one that sent it
  PRIMARY KEY (series, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_batch (                           -- what has been stored: a batch sent again is not stored again
  job               INTEGER NOT NULL REFERENCES job(number),
  attempt           INTEGER NOT NULL,
  seq               INTEGER NOT NULL,
  digest            BLOB NOT NULL,                    -- sha256 of its content
  PRIMARY KEY (job, attempt, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
  job               INTEGER NOT NULL REFERENCES job(number),
  at_byte           INTEGER NOT NULL,                 -- where this piece begins in the job's log
  attempt           INTEGER NOT NULL,
  seq               INTEGER NOT NULL,
  text              TEXT NOT NULL,                    -- whole lines
  PRIMARY KEY (job, at_byte)
) STRICT, WITHOUT ROWID;
CREATE TABLE log_batch (
  job               INTEGER NOT NULL REFERENCES job(number),
  attempt           INTEGER NOT NULL,
  seq               INTEGER NOT NULL,
  PRIMARY KEY (job, attempt, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifact (
  job               INTEGER NOT NULL REFERENCES job(number),
  name              TEXT NOT NULL,
  kind              TEXT NOT NULL CHECK (kind = 'checkpoint' OR kind = 'model' OR kind = 'preview' OR kind = 'curve' OR kind = 'other'),
  sha256            TEXT NOT NULL REFERENCES blob(sha256),
  bytes             INTEGER NOT NULL,
  attempt           INTEGER NOT NULL,
  step              INTEGER,
  epoch             INTEGER,
  score             REAL,
  created_at_ms     INTEGER NOT NULL,
  PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_blob ON artifact(sha256);
