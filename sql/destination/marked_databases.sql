-- Every database of the cluster that has a comment, where our marks stand.
-- Any role may read this.
SELECT d.oid,
       d.datname AS name,
       pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
  FROM pg_catalog.pg_database AS d
 WHERE d.datname LIKE 'mbs\_%'
 ORDER BY d.oid
