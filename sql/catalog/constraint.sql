-- Constraints of the user's tables: keys, exclusions, checks, foreign keys. NOT NULL (a constraint from PostgreSQL 18
-- on) is read with the columns, constraint triggers with the triggers.
SELECT con.oid,
       con.conrelid AS table,
       con.conname AS name,
       con.contype::pg_catalog.text AS kind,
       pg_catalog.pg_get_constraintdef(con.oid) AS definition,
       COALESCE(con.conkey, '{}') AS columns,
       con.convalidated AS validated,
       con.conislocal AS is_local,
       NULLIF(con.conparentid, 0) AS parent,
       NULLIF(con.conindid, 0) AS index,
       con.condeferrable AS deferrable,
       con.condeferred AS deferred,
       NULLIF(con.confrelid, 0) AS references,
       con.conexclop IS NOT NULL AS excluding
  FROM pg_catalog.pg_constraint AS con
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) con.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE con.contype IN ('p', 'u', 'x', 'c', 'f')
   AND c.relkind IN ('r', 'p', 'f')
   AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
   AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
   AND c.oid OPERATOR(pg_catalog.>=) 16384
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid OPERATOR(pg_catalog.=) 1259
          AND d.objid OPERATOR(pg_catalog.=) con.conrelid
          AND d.deptype OPERATOR(pg_catalog.=) 'e')
 ORDER BY con.oid
