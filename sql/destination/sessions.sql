-- Who is connected to one database, ourselves left out.
-- $1 name. Columns of other roles' sessions that we may not see are NULL; pid and user are always there.
SELECT a.pid,
       coalesce(a.usename, '') AS username,
       coalesce(a.application_name, '') AS application_name,
       coalesce(pg_catalog.host(a.client_addr), 'local') AS client,
       coalesce(a.state, 'unknown') AS state
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = $1
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.backend_type = 'client backend'
 ORDER BY a.backend_start
