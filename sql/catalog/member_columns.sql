-- The columns of tables $1: their numbers, which a column keeps for good and no other one gets, and what their values mean
-- beside that: the expression of one that is computed, and of the enums and composites that a type is made of the labels and
-- attributes with their numbers, by where they stand in it. `sum` tells whether anything of that is otherwise than before.
-- $2 false: the sums alone.
WITH RECURSIVE inside (relation, number, at, type) AS (
       SELECT a.attrelid, a.attnum, ''::pg_catalog.text, a.atttypid
         FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 10000
       UNION ALL
       SELECT i.relation, i.number, i.at || part.step, part.type
         FROM inside AS i
         JOIN pg_catalog.pg_type AS t ON t.oid = i.type
        CROSS JOIN LATERAL (
              -- A domain is what it is over.
              SELECT ''::pg_catalog.text, t.typbasetype WHERE t.typbasetype <> 0
              UNION ALL SELECT '[]', t.typelem WHERE t.typelem <> 0
              UNION ALL SELECT '..', r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
              UNION ALL SELECT '{}', r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngmultitypid = t.oid
              UNION ALL SELECT '.' || pg_catalog.row_number() OVER (ORDER BY a.attnum), a.atttypid FROM pg_catalog.pg_attribute AS a
                         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part (step, type)
        -- Those of the server itself do not change.
        WHERE part.type >= 10000
), made_of (relation, number, types) AS (
       SELECT i.relation, i.number,
              pg_catalog.json_agg(pg_catalog.json_build_object(
                  'at', i.at,
                  'oid', t.oid::pg_catalog.int8,
                  'schema', n.nspname,
                  'name', t.typname,
                  'of_table', c.relkind IS DISTINCT FROM 'c' AND t.typtype = 'c',
                  'labels', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(e.oid::pg_catalog.int8, e.enumlabel::pg_catalog.text)
                                                        ORDER BY e.enumsortorder)
                               FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid),
                  'attributes', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                                            a.attnum, a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod))
                                        ORDER BY a.attnum)
                                   FROM pg_catalog.pg_attribute AS a
                                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
                  ORDER BY i.at, t.oid)
         FROM inside AS i
         JOIN pg_catalog.pg_type AS t ON t.oid = i.type AND t.typtype IN ('e', 'c')
         JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
         LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
        GROUP BY i.relation, i.number
)
SELECT a.attrelid AS oid,
       -- The expression as the server keeps it: to print it takes a lock.
       pg_catalog.md5(pg_catalog.string_agg(
           pg_catalog.concat_ws(' ', a.attnum, a.attgenerated, a.attname, pg_catalog.md5(d.adbin::pg_catalog.text), m.types::pg_catalog.text),
           ',' ORDER BY a.attnum)) AS sum,
       CASE WHEN $2
            THEN pg_catalog.json_agg(pg_catalog.json_build_object(
                     'number', a.attnum,
                     'name', a.attname,
                     'generated', a.attgenerated <> '',
                     'meaning', pg_catalog.json_build_object(
                         'computed', CASE WHEN $2 THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
                         'types', COALESCE(m.types, '[]'::pg_catalog.json)))
                     ORDER BY a.attnum)::pg_catalog.text END AS columns
  FROM pg_catalog.pg_attribute AS a
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated <> ''
  LEFT JOIN made_of AS m ON m.relation = a.attrelid AND m.number = a.attnum
 WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY a.attrelid
