-- Collations on which something of the user depends, or that the user made, and first the default one of the database (oid
-- 100), which `pg_depend` does not name. Columns that came with a version are taken from the row as JSON; what PostgreSQL notes of
-- the library when a collation or a database (15) is made is `noted`. `definition` is what follows the name in CREATE COLLATION, of those
-- that a clone makes. Any role may read this.
WITH used AS (
    SELECT d.refobjid AS oid
      FROM pg_catalog.pg_depend AS d
     WHERE d.refclassid OPERATOR(pg_catalog.=) 3456 AND d.objid OPERATOR(pg_catalog.>=) 16384
    UNION
    SELECT c.oid
      FROM pg_catalog.pg_collation AS c
     WHERE c.oid OPERATOR(pg_catalog.>=) 16384 AND c.collnamespace OPERATOR(pg_catalog.<>) 11)
SELECT 100::pg_catalog.oid AS oid,
       NULL::pg_catalog.text AS schema,
       NULL::pg_catalog.text AS name,
       COALESCE(j.row ->> 'datlocprovider', 'c') AS provider,
       COALESCE(j.row ->> 'datlocale', j.row ->> 'daticulocale', j.row ->> 'datcollate') AS locale,
       j.row ->> 'datcollversion' AS noted,
       CASE WHEN j.row ->> 'datlocprovider' = 'i'
            THEN pg_catalog.format('(provider = icu, locale = %L)', COALESCE(j.row ->> 'datlocale', j.row ->> 'daticulocale'))
            END AS definition
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(d) AS row) AS j
 WHERE d.datname = pg_catalog.current_database()
UNION ALL
(SELECT c.oid,
       n.nspname::pg_catalog.text,
       c.collname::pg_catalog.text,
       c.collprovider::pg_catalog.text,
       COALESCE(j.row ->> 'colllocale', j.row ->> 'colliculocale', j.row ->> 'collcollate'),
       c.collversion,
       CASE WHEN c.oid OPERATOR(pg_catalog.>=) 16384 AND c.collnamespace OPERATOR(pg_catalog.<>) 11 AND NOT EXISTS (
                     SELECT FROM pg_catalog.pg_depend AS e
                      WHERE e.classid OPERATOR(pg_catalog.=) 3456 AND e.objid OPERATOR(pg_catalog.=) c.oid AND e.deptype = 'e')
            THEN pg_catalog.concat('(provider = ', CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
                 CASE WHEN NOT c.collisdeterministic THEN ', deterministic = false' END,
                 CASE WHEN c.collprovider = 'c'
                      THEN pg_catalog.format(', lc_collate = %L, lc_ctype = %L', j.row ->> 'collcollate', j.row ->> 'collctype')
                      ELSE pg_catalog.format(', locale = %L', COALESCE(
                          j.row ->> 'colllocale', j.row ->> 'colliculocale', j.row ->> 'collcollate')) END,
                 CASE WHEN j.row ->> 'collicurules' <> '' THEN pg_catalog.format(', rules = %L', j.row ->> 'collicurules') END,
                 ')') END
  FROM pg_catalog.pg_collation AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(c) AS row) AS j
 WHERE c.oid IN (SELECT u.oid FROM used AS u)
   AND c.collprovider IN ('c', 'i', 'b')
 ORDER BY n.nspname, c.collname)
