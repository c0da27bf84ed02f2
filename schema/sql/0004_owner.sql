-- A token sees the jobs and sweeps that it submitted: its lists walk those alone, however many there are of others.
CREATE INDEX job_by_token ON job(token_id, number);
CREATE INDEX sweep_by_token ON sweep(token_id, number);
