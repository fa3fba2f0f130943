-- Sequences of users whose values our role may read, those behind identity columns too, each with the column whose it is, if
-- any; not of extensions. Run on both sides.
SELECT c.oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       o.schema AS of_schema,
       o.name AS of_table,
       o.of_column
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       SELECT tn.nspname::pg_catalog.text AS schema, t.relname::pg_catalog.text AS name,
              a.attname::pg_catalog.text AS of_column
         FROM pg_catalog.pg_depend AS d
         JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
         JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
        LIMIT 1) AS o ON true
 WHERE c.relkind = 'S'
   AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'multiboard_sync')
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
   -- Asked of a table it is an error, and conditions have no order.
   AND CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS m
        WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid AND m.deptype = 'e')
 ORDER BY 2, 3
