-- The schemas of users with their owners, by which a hosting platform shows itself. Any role may read this.
SELECT n.nspname::text AS schema,
       pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname <> 'information_schema'
   AND n.nspname NOT LIKE 'pg\_%'
 ORDER BY n.nspname
