-- What the session $1 of this server is doing: whether a statement of it is at work (waiting for a lock, for its client or for a
-- standby it is not), and for whom it waits: a line for each session, or prepared transaction, that blocks it.
-- Any role may see who blocks whom; other roles' query texts need pg_read_all_stats.
SELECT a.state = 'active' AND coalesce(a.wait_event_type NOT IN ('Lock', 'Client') AND a.wait_event <> 'SyncRep', true) AS works,
       (SELECT pg_catalog.min(w.relation::pg_catalog.regclass::pg_catalog.text)
          FROM pg_catalog.pg_locks AS w WHERE w.pid = $1 AND NOT w.granted) AS waits_for,
       ARRAY(
           SELECT CASE WHEN b.pid = 0 THEN 'a prepared transaction' ELSE pg_catalog.format('process %s of %s%s, %s: %s', b.pid,
                      coalesce(o.usename, 'somebody'),
                      CASE WHEN coalesce(o.application_name, '') = '' THEN '' ELSE pg_catalog.format(' (%s)', o.application_name) END,
                      coalesce(o.state, 'ended'), coalesce(pg_catalog.left(o.query, 200), '')) END
             FROM (SELECT DISTINCT p.pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS p (pid)) AS b
             LEFT JOIN pg_catalog.pg_stat_activity AS o ON o.pid = b.pid
            ORDER BY b.pid) AS blocked_by
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid = $1
