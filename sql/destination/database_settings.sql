-- The ALTER DATABASE .. SET and ALTER ROLE .. IN DATABASE .. SET values of one database.
-- $1 oid of the database. Any role may read this.
SELECT r.rolname AS role,
       pg_catalog.split_part(c.entry, '=', 1) AS setting,
       pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1) AS value
  FROM pg_catalog.pg_db_role_setting AS s
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
 CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS c (entry, place)
 WHERE s.setdatabase = $1
 ORDER BY r.rolname NULLS FIRST, c.place
