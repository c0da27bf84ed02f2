-- Sweeps: one body that makes many jobs, their trials, and what the jobs of one sweep share.

CREATE TABLE sweep (
  number            INTEGER PRIMARY KEY,
  id                TEXT NOT NULL UNIQUE,             -- UUIDv7
  name              TEXT NOT NULL,
  project           TEXT NOT NULL,
  preset            TEXT NOT NULL DEFAULT '',         -- as it was asked for; spec holds the list it stood for
  reference         TEXT NOT NULL DEFAULT '',         -- the variant that the report compares with; '' = the first
  spec              TEXT NOT NULL,                    -- JSON, as understood
  spec_hash         TEXT NOT NULL,
  not_built         TEXT NOT NULL DEFAULT '[]',       -- JSON: members of the preset that no job reader takes yet
  duplicates        INTEGER NOT NULL DEFAULT 0,       -- trials named twice, run once
  max_running       INTEGER NOT NULL DEFAULT 0,       -- 0 = no limit
  prune_metric      TEXT,                             -- NULL = nothing is pruned
  prune_min_epochs  INTEGER,
  prune_eta         INTEGER,
  token_id          TEXT NOT NULL,                    -- who submitted
  key               TEXT,                             -- Idempotency-Key, while it is kept
  body_sha256       TEXT NOT NULL DEFAULT '',
  created_at_ms     INTEGER NOT NULL,
  cancelled_at_ms   INTEGER
) STRICT;
CREATE UNIQUE INDEX sweep_key ON sweep(token_id, key) WHERE key IS NOT NULL;

CREATE TABLE trial (                                  -- never taken away: failed and diverged ones count
  sweep             INTEGER NOT NULL REFERENCES sweep(number),
  trial             INTEGER NOT NULL,                 -- from 0, in the order of the plan
  job               INTEGER NOT NULL UNIQUE REFERENCES job(number),
  label             TEXT NOT NULL,                    -- of its variant
  seed              INTEGER NOT NULL,
  fold              INTEGER NOT NULL,                 -- -1 = none
  shape             TEXT NOT NULL,                    -- trials of one shape share their kernels
  pruned_epoch      INTEGER,                          -- the rung at which it fell behind; NULL = at none so far
  PRIMARY KEY (sweep, trial),
  UNIQUE (sweep, label, seed, fold)
) STRICT, WITHOUT ROWID;

CREATE TABLE sweep_shape (
  sweep             INTEGER NOT NULL REFERENCES sweep(number),
  shape             TEXT NOT NULL,
  holder            INTEGER REFERENCES job(number),   -- the job that is to choose; while it runs the others wait
  kernels           TEXT,                             -- JSON; NULL = not chosen yet
  PRIMARY KEY (sweep, shape)
) STRICT, WITHOUT ROWID;

CREATE TABLE claim_share (                            -- whose turn it is when a worker asks
  sweep             INTEGER PRIMARY KEY,              -- 0 = all jobs that belong to no sweep
  served            INTEGER NOT NULL                  -- id of the event of its last claim
) STRICT;

ALTER TABLE job ADD COLUMN sweep INTEGER REFERENCES sweep(number); -- NULL = a job of its own
DROP INDEX job_claimable;
CREATE INDEX job_claimable ON job(priority DESC, number, sweep) WHERE state = 'queued'; -- the hot queue
CREATE INDEX job_claimable_of_sweep ON job(sweep, priority DESC, number) WHERE state = 'queued' AND sweep IS NOT NULL;
CREATE INDEX job_by_sweep ON job(sweep, state, number) WHERE sweep IS NOT NULL;
