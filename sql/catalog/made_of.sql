-- Types and what they are made of, down to the last: those of $1, and with $2 those of all columns of all tables, and the
-- server's own. `of` is what a domain or an array is over, the subtype of a range, the range of a multirange; `modifier` is what
-- a domain adds to its own. The attributes of a composite are in their order.
WITH RECURSIVE used (oid) AS (
       SELECT t.oid
         FROM pg_catalog.pg_type AS t
        WHERE t.oid = ANY ($1)
           OR $2 AND (t.oid < 10000
                      OR t.oid IN (SELECT a.atttypid
                                     FROM pg_catalog.pg_attribute AS a
                                     JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
                                    WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped))
       UNION
       SELECT part.oid
         FROM used AS u
         JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
        CROSS JOIN LATERAL (
              SELECT t.typelem WHERE t.typelem <> 0
              UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
              UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
              UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngmultitypid = t.oid
              UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part (oid)
)
SELECT t.oid,
       -- As `typtype`, and an array by itself.
       CASE WHEN t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc THEN 'a' ELSE t.typtype::pg_catalog.text END AS kind,
       coalesce(nullif(t.typbasetype, 0),
                (SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid),
                (SELECT r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngmultitypid = t.oid),
                t.typelem) AS of,
       t.typtypmod AS modifier,
       t.typname::pg_catalog.text AS name,
       t.typcategory = 'S' AS is_text,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS names,
       ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
       ARRAY(SELECT a.atttypmod FROM pg_catalog.pg_attribute AS a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS modifiers
  FROM used AS u
  JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
