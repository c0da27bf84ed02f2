-- Jobs, their attempts, and the one table of events that history, audit and live streams are read from.
-- Texts marked JSON are written by our own serialiser (json_valid is not allowed in a CHECK of an untrusted schema).
-- Words are chains of OR: SQLite makes a table in memory for every IN of a CHECK, which made a submit three times as dear.
-- Times: *_at_ms since the epoch, only shown. *_mono_ms on the boot clock, armed anew at every start of the daemon.

CREATE TABLE worker (
  number            INTEGER PRIMARY KEY,
  id                TEXT NOT NULL UNIQUE,             -- UUIDv7, one per process
  name              TEXT NOT NULL,
  host              TEXT NOT NULL,
  pid               INTEGER NOT NULL,
  version           TEXT NOT NULL,                    -- of its program
  labels            TEXT NOT NULL DEFAULT '{}',       -- JSON
  threads           INTEGER NOT NULL,
  memory_bytes      INTEGER NOT NULL DEFAULT 0,       -- 0 = not known
  data_paths        INTEGER NOT NULL CHECK (data_paths IN (0, 1)), -- was started with a --data-root
  token_id          TEXT NOT NULL,
  registered_at_ms  INTEGER NOT NULL,
  seen_at_ms        INTEGER NOT NULL,
  seen_mono_ms      INTEGER                           -- NULL = not since this daemon started
) STRICT;
CREATE INDEX worker_seen ON worker(seen_mono_ms) WHERE seen_mono_ms IS NOT NULL;

CREATE TABLE blob (                                   -- one file under blobs/sha256
  sha256            TEXT PRIMARY KEY,
  bytes             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset (                                -- never changed: new content is a new row
  number            INTEGER PRIMARY KEY,
  name              TEXT NOT NULL,
  current           INTEGER NOT NULL CHECK (current IN (0, 1)), -- what a submit by this name gets
  sha256            TEXT REFERENCES blob(sha256),     -- the archive, or
  generate          TEXT,                             -- the generator, JSON
  bytes             INTEGER NOT NULL DEFAULT 0,
  token_id          TEXT NOT NULL,
  created_at_ms     INTEGER NOT NULL,
  CHECK ((sha256 IS NULL) <> (generate IS NULL))
) STRICT;
CREATE UNIQUE INDEX dataset_current ON dataset(name) WHERE current = 1;
CREATE INDEX dataset_blob ON dataset(sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE job (                                    -- narrow: lists walk it; the long texts are in job_text
  number            INTEGER PRIMARY KEY,              -- order of arrival
  id                TEXT NOT NULL UNIQUE,             -- UUIDv7
  version           INTEGER NOT NULL DEFAULT 0,       -- id of its last event
  name              TEXT NOT NULL,
  project           TEXT NOT NULL,
  tags              TEXT NOT NULL DEFAULT '[]',       -- JSON
  strategy          TEXT NOT NULL,
  dataset           INTEGER REFERENCES dataset(number), -- NULL: a path or a generator inside the spec
  needs_data_path   INTEGER NOT NULL DEFAULT 0 CHECK (needs_data_path IN (0, 1)),
  memory_bytes      INTEGER NOT NULL DEFAULT 0,       -- predicted peak; 0 = not known
  spec_hash         TEXT NOT NULL,                    -- jobs with the same one train the same thing
  token_id          TEXT NOT NULL,                    -- who submitted
  state             TEXT NOT NULL CHECK (state = 'pending' OR state = 'queued' OR state = 'running' OR state = 'stopping' OR state = 'paused' OR
                    state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'pruned'),
  reason            TEXT NOT NULL DEFAULT '' CHECK (reason = '' OR reason = 'backoff' OR reason = 'quota' OR reason = 'after' OR reason = 'scheduled'), -- why pending
  phase             TEXT NOT NULL DEFAULT '' CHECK (phase = '' OR phase = 'staging' OR phase = 'tuning' OR phase = 'training' OR phase = 'evaluating' OR
                    phase = 'uploading'),
  intent            TEXT NOT NULL DEFAULT '' CHECK (intent = '' OR intent = 'cancel' OR intent = 'pause' OR intent = 'preempt' OR intent = 'prune' OR
                    intent = 'timeout'), -- what its worker is told while stopping
  deadline_mono_ms  INTEGER,                          -- of stopping: then the server closes the attempt
  deadline_ms       INTEGER NOT NULL DEFAULT 0,       -- the same as a duration, to arm it again
  backoff_mono_ms   INTEGER,                          -- of pending: then it is queued
  backoff_ms        INTEGER NOT NULL DEFAULT 0,
  priority          INTEGER NOT NULL,
  attempt           INTEGER NOT NULL DEFAULT 0,       -- the newest; 0 = never claimed
  max_attempts      INTEGER NOT NULL,
  failures          INTEGER NOT NULL DEFAULT 0,       -- that count against max_attempts
  losses            INTEGER NOT NULL DEFAULT 0,       -- workers lost in a row without a newer checkpoint
  timeout_ms        INTEGER NOT NULL DEFAULT 0,       -- 0 = none
  epoch             INTEGER,
  epochs            INTEGER,
  step              INTEGER,
  eta_s             REAL,
  checkpoint_step   INTEGER,                          -- of checkpoint-last
  nondeterministic  INTEGER NOT NULL DEFAULT 0 CHECK (nondeterministic IN (0, 1)),
  failure_class     TEXT NOT NULL DEFAULT '' CHECK (failure_class = '' OR failure_class = 'spec_error' OR failure_class = 'data_error' OR
                    failure_class = 'diverged' OR failure_class = 'timeout' OR failure_class = 'no_progress' OR
                    failure_class = 'worker_lost' OR failure_class = 'out_of_memory' OR failure_class = 'no_space' OR
                    failure_class = 'poison' OR failure_class = 'internal'),
  failure_message   TEXT NOT NULL DEFAULT '',
  log_bytes         INTEGER NOT NULL DEFAULT 0,
  metric_points     INTEGER NOT NULL DEFAULT 0,
  created_at_ms     INTEGER NOT NULL,
  started_at_ms     INTEGER,                          -- of the first attempt
  finished_at_ms    INTEGER,
  CHECK ((finished_at_ms IS NOT NULL) = (state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'pruned')),
  CHECK ((backoff_mono_ms IS NOT NULL) = (state = 'pending' AND reason = 'backoff')),
  CHECK ((deadline_mono_ms IS NOT NULL) = (state = 'stopping'))
) STRICT;
CREATE INDEX job_by_state ON job(state, number);
CREATE INDEX job_by_project ON job(project, number);
CREATE INDEX job_claimable ON job(priority DESC, number) WHERE state = 'queued'; -- the hot queue
CREATE INDEX job_backoff ON job(backoff_mono_ms) WHERE backoff_mono_ms IS NOT NULL;
CREATE INDEX job_deadline ON job(deadline_mono_ms) WHERE deadline_mono_ms IS NOT NULL;

CREATE TABLE job_text (                               -- all JSON
  job               INTEGER PRIMARY KEY REFERENCES job(number),
  spec              TEXT NOT NULL,                    -- resolved, every default in place
  loss_resolved     TEXT,
  kernels           TEXT,                             -- as the first attempt chose them; later ones get them
  warnings          TEXT,
  result            TEXT
) STRICT;

CREATE TABLE attempt (
  job               INTEGER NOT NULL REFERENCES job(number),
  attempt           INTEGER NOT NULL,                 -- from 1
  worker            INTEGER NOT NULL REFERENCES worker(number),
  claim_key         TEXT NOT NULL,                    -- the same key again = the same lease
  token_sha256      TEXT NOT NULL,                    -- the lease token itself is never stored
  lease_mono_ms     INTEGER,                          -- runs out then; NULL = over
  resume_step       INTEGER,                          -- of the checkpoint it began with; NULL = from the start
  started_at_ms     INTEGER NOT NULL,
  started_mono_ms   INTEGER NOT NULL,
  ended_at_ms       INTEGER,
  outcome           TEXT CHECK (outcome = 'succeeded' OR outcome = 'failed' OR outcome = 'cancelled' OR outcome = 'paused' OR
                    outcome = 'preempted' OR outcome = 'released' OR outcome = 'pruned' OR outcome = 'lost'),
  end_state         TEXT,                             -- of the job right after: what a repeated finish is answered
  failure_class     TEXT NOT NULL DEFAULT '',
  failure_message   TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job, attempt),
  CHECK ((outcome IS NULL) = (ended_at_ms IS NULL)),
  CHECK ((lease_mono_ms IS NULL) = (ended_at_ms IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX attempt_claim ON attempt(worker, claim_key);
CREATE INDEX attempt_live ON attempt(lease_mono_ms) WHERE lease_mono_ms IS NOT NULL;

CREATE TABLE event (
  id                INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: clients resume by it
  at_ms             INTEGER NOT NULL,
  job               INTEGER NOT NULL REFERENCES job(number),
  kind              TEXT NOT NULL,                    -- state progress metrics log artifact nondeterministic
  data              TEXT NOT NULL                     -- JSON
) STRICT;
CREATE INDEX event_by_job ON event(job, id);

CREATE TABLE idempotency (                            -- written in the transaction of the jobs it stands for
  token_id          TEXT NOT NULL,
  key               TEXT NOT NULL,
  body_sha256       TEXT NOT NULL,
  is_array          INTEGER NOT NULL CHECK (is_array IN (0, 1)),
  job_first         INTEGER NOT NULL,                 -- numbers job_first .. job_last
  job_last          INTEGER NOT NULL,
  created_at_ms     INTEGER NOT NULL,
  PRIMARY KEY (token_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency(created_at_ms);
