-- What the destination's cluster holds under one database name: its oid, settings that a swap carries over, its mark.
-- $1 name. Any role may read this. Run on the maintenance database; no row when there is no such database.
SELECT d.oid,
       pg_catalog.pg_get_userbyid(d.datdba) AS owner,
       pg_catalog.pg_has_role(CURRENT_USER, d.datdba, 'USAGE') AS may_rename,
       -- Becoming a role is a right of its own from 16 on.
       pg_catalog.pg_has_role(CURRENT_USER, d.datdba, CASE
           WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000 THEN 'SET'
           ELSE 'MEMBER' END) AS may_hand_over,
       t.spcname::text AS tablespace,
       d.datconnlimit AS connection_limit,
       d.datallowconn AS allows_connections,
       d.datistemplate AS is_template,
       pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
       pg_catalog.array_to_string(d.datacl, E'\n') AS acl
  FROM pg_catalog.pg_database AS d
  JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace
 WHERE d.datname = $1
