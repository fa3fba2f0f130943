-- What a publication gives out of each of its tables, as pgoutput does it; this follows on one of publication_entries. The table
-- under whose name changes come, the tables in which its rows lie, which of its rows and columns come, and which columns not.
-- Tables of extensions and our own are left out: those are never mirrored.
-- The view pg_publication_tables says the same, but of the newest catalog whatever the snapshot is, and it waits for every table
-- that is locked.
tree AS (
    SELECT c.oid, c.relkind, c.relpersistence, direct.by, direct.by <> '{}' AS is_given, c.oid AS top, direct.by AS by_of_top
      FROM publication AS p
     CROSS JOIN pg_catalog.pg_class AS c
      LEFT JOIN of_table AS t ON t.table_oid = c.oid
      LEFT JOIN of_schema AS s ON s.schema_oid = c.relnamespace
     CROSS JOIN LATERAL (
           SELECT pg_catalog.array_remove(ARRAY[CASE WHEN p.puballtables THEN p.oid END, t.oid, s.oid], NULL) AS by) AS direct
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       -- What the server has made for itself has smaller numbers.
       AND c.oid >= 16384
     UNION ALL
    SELECT c.oid, c.relkind, c.relpersistence, above.by || direct.by, above.is_given OR direct.by <> '{}',
           CASE WHEN above.is_given THEN above.top ELSE c.oid END,
           CASE WHEN above.is_given THEN above.by_of_top ELSE direct.by END
      FROM tree AS above
      JOIN pg_catalog.pg_inherits AS i ON i.inhparent = above.oid
      JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition
      LEFT JOIN of_table AS t ON t.table_oid = c.oid
      LEFT JOIN of_schema AS s ON s.schema_oid = c.relnamespace
     CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[t.oid, s.oid], NULL) AS by) AS direct
     WHERE above.relkind = 'p'
), given AS (
    SELECT tree.oid, ARRAY[tree.oid] AS lies_in, tree.by
      FROM publication AS p
      JOIN tree ON NOT p.pubviaroot AND tree.is_given AND tree.relkind = 'r' AND tree.relpersistence = 'p'
     UNION ALL
    SELECT tree.top, pg_catalog.array_agg(tree.oid) FILTER (WHERE tree.relkind = 'r'), tree.by_of_top
      FROM publication AS p
      JOIN tree ON p.pubviaroot AND tree.is_given AND tree.relpersistence = 'p'
     GROUP BY tree.top, tree.by_of_top
)
SELECT c.oid::pg_catalog.int8 AS oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.relkind = 'p' AS partitioned,
       COALESCE(given.lies_in, '{}') AS lies_in,
       part.rows,
       columns.sent,
       columns.types,
       columns.modifiers,
       columns.withheld,
       pg_catalog.array_to_string(given.by, ',') || ';'
           || CASE WHEN part.rows IS NULL AND columns.withheld = '{}' THEN ''
                   ELSE pg_catalog.md5(pg_catalog.concat_ws(';', COALESCE(part.rows, ''),
                            CASE WHEN columns.withheld <> '{}' THEN columns.sent::pg_catalog.text END)) END AS entry
  FROM publication AS p
 CROSS JOIN given
  JOIN pg_catalog.pg_class AS c ON c.oid = given.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  -- What is published with all tables or with its schema is published whole.
  LEFT JOIN of_table AS part ON part.table_oid = c.oid AND NOT p.puballtables
                            AND NOT EXISTS (SELECT FROM of_schema AS e WHERE e.schema_oid = c.relnamespace)
 CROSS JOIN LATERAL (
       SELECT COALESCE(pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) FILTER (WHERE a.is_sent), '{}') AS sent,
              COALESCE(pg_catalog.array_agg(a.atttypid ORDER BY a.attnum) FILTER (WHERE a.is_sent), '{}') AS types,
              COALESCE(pg_catalog.array_agg(a.atttypmod ORDER BY a.attnum) FILTER (WHERE a.is_sent), '{}') AS modifiers,
              COALESCE(pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) FILTER (WHERE NOT a.is_sent AND a.attgenerated = ''), '{}') AS withheld
         FROM (SELECT a.attnum, a.attname, a.attgenerated, a.atttypid, a.atttypmod,
                      CASE WHEN part.columns IS NOT NULL THEN a.attnum = ANY (part.columns)
                           ELSE a.attgenerated = '' OR a.attgenerated = p.generated::pg_catalog."char" END AS is_sent
                 FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS a) AS columns
 WHERE n.nspname <> 'multiboard_sync'
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend AS m
        WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid AND m.deptype = 'e')
 ORDER BY c.oid
