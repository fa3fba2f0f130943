-- Indexes of the user's tables and materialized views, those of constraints too. Statistics targets come as
-- "column number, target" pairs in one array. The index of a plain key has no definition here: its constraint says
-- the same, and printing is what costs most.
SELECT i.indexrelid AS oid,
       i.indrelid AS table,
       tn.nspname AS table_schema,
       t.relname AS table_name,
       n.nspname AS schema,
       c.relname AS name,
       am.amname AS method,
       CASE WHEN con.oid IS NULL OR con.conexclop IS NOT NULL OR c.relkind OPERATOR(pg_catalog.=) 'I'
            THEN pg_catalog.pg_get_indexdef(i.indexrelid) END AS definition,
       con.oid AS constraint,
       c.relkind OPERATOR(pg_catalog.=) 'I' AS partitioned,
       inh.inhparent AS parent,
       i.indisvalid AS valid,
       i.indisclustered AS clustered,
       i.indisreplident AS replica_identity,
       COALESCE(stats.targets, '{}') AS statistics,
       c.reloptions AS options,
       ts.spcname AS tablespace
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) i.indrelid
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_am AS am ON am.oid OPERATOR(pg_catalog.=) c.relam
  LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid OPERATOR(pg_catalog.=) c.reltablespace
  LEFT JOIN pg_catalog.pg_inherits AS inh ON inh.inhrelid OPERATOR(pg_catalog.=) i.indexrelid
  LEFT JOIN pg_catalog.pg_constraint AS con
    ON con.conindid OPERATOR(pg_catalog.=) i.indexrelid
   AND con.conrelid OPERATOR(pg_catalog.=) i.indrelid
   AND con.contype IN ('p', 'u', 'x')
  LEFT JOIN (
       SELECT a.attrelid,
              pg_catalog.array_agg(part.value ORDER BY a.attnum, part.position) AS targets
         FROM pg_catalog.pg_attribute AS a
         JOIN pg_catalog.pg_class AS ac ON ac.oid OPERATOR(pg_catalog.=) a.attrelid
        CROSS JOIN LATERAL (VALUES (1, a.attnum), (2, a.attstattarget::pg_catalog.int2)) AS part (position, value)
        WHERE ac.relkind IN ('i', 'I') AND a.attstattarget OPERATOR(pg_catalog.>=) 0
          AND a.attrelid OPERATOR(pg_catalog.>=) 16384
          AND ac.relnamespace OPERATOR(pg_catalog.<>) 99
        GROUP BY a.attrelid
  ) AS stats ON stats.attrelid OPERATOR(pg_catalog.=) i.indexrelid
 WHERE t.relkind IN ('r', 'p', 'm')
   AND t.relpersistence OPERATOR(pg_catalog.<>) 't'
   AND i.indexrelid OPERATOR(pg_catalog.>=) 16384
   AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid OPERATOR(pg_catalog.=) 1259
          AND d.objid OPERATOR(pg_catalog.=) i.indrelid
          AND d.deptype OPERATOR(pg_catalog.=) 'e')
 ORDER BY i.indexrelid
