-- Who is in one database, ourselves left out: clients, walsenders, workers of subscriptions and extensions.
-- $1 oid. Left out is who needs no ending: a rename itself ends autovacuum, and parallel workers go with their leader.
-- Of other roles' sessions a role without pg_read_all_stats sees pid and user, the rest is NULL.
SELECT a.pid,
       coalesce(a.usename, '') AS username,
       coalesce(a.application_name, '') AS application_name,
       coalesce(pg_catalog.host(a.client_addr), 'local') AS client,
       coalesce(a.state, 'unknown') AS state,
       coalesce(a.backend_type, 'client backend') AS kind,
       s.slot_name::text AS slot
  FROM pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = a.pid
 WHERE a.datid = $1
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'parallel worker')
 ORDER BY a.backend_start
