-- Who is connected to one database, ourselves left out.
-- $1 name. Of other roles' sessions a role without pg_read_all_stats sees pid and user, the rest is NULL.
SELECT a.pid,
       coalesce(a.usename, '') AS username,
       coalesce(a.application_name, '') AS application_name,
       coalesce(pg_catalog.host(a.client_addr), 'local') AS client,
       coalesce(a.state, 'unknown') AS state
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = $1
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND coalesce(a.backend_type, 'client backend') = 'client backend'
 ORDER BY a.backend_start
