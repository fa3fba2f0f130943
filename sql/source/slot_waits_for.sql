-- Which transactions a walsender of application $1 waits for while it creates a slot, in words; a prepared one has no process.
-- Any role may read this; of other roles' sessions it sees the process only.
SELECT pg_catalog.concat_ws(', ', 'process ' || a.pid, 'of ' || a.usename, 'in database ' || a.datname,
           'begun at ' || pg_catalog.date_trunc('second', a.xact_start),
           CASE a.state WHEN 'idle in transaction' THEN 'idle in its transaction' ELSE a.state END) AS who
  FROM pg_catalog.pg_stat_activity AS w
 CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid)
  JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
 WHERE w.application_name = $1 AND w.backend_type = 'walsender'
UNION ALL
SELECT pg_catalog.concat_ws(', ', 'prepared as ' || pg_catalog.quote_literal(p.gid), 'by ' || p.owner, 'in database ' || p.database,
           'at ' || pg_catalog.date_trunc('second', p.prepared))
  FROM pg_catalog.pg_prepared_xacts AS p
 WHERE EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS w
                WHERE w.application_name = $1 AND w.backend_type = 'walsender' AND 0 = ANY (pg_catalog.pg_blocking_pids(w.pid)))
