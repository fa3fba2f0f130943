-- What the binary form of each type that a column may have depends on: its own input and output, and the types that
-- it is built of. Rows for the types of columns, of attributes of composite types, and of what those are built of.
SELECT t.oid,
       t.typtype::pg_catalog.text AS kind,
       t.typname AS name,
       t.oid OPERATOR(pg_catalog.<) 16384 AS built_in,
       t.typsend OPERATOR(pg_catalog.<>) 0 AND t.typreceive OPERATOR(pg_catalog.<>) 0 AS has_binary_form,
       COALESCE(
           CASE
               WHEN t.typtype OPERATOR(pg_catalog.=) 'd' THEN ARRAY[t.typbasetype]
               WHEN t.typtype OPERATOR(pg_catalog.=) 'c' THEN ARRAY(
                   SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid
                      AND a.attnum OPERATOR(pg_catalog.>) 0
                      AND NOT a.attisdropped)
               WHEN t.typtype IN ('r', 'm') THEN ARRAY(
                   SELECT r.rngsubtype FROM pg_catalog.pg_range AS r
                    WHERE t.oid IN (r.rngtypid, r.rngmultitypid))
               WHEN t.typcategory OPERATOR(pg_catalog.=) 'A' AND t.typelem OPERATOR(pg_catalog.<>) 0
               THEN ARRAY[t.typelem]
           END, '{}') AS parts
  FROM pg_catalog.pg_type AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
 WHERE t.typtype OPERATOR(pg_catalog.<>) 'p'
   AND n.nspname NOT IN ('pg_toast', 'information_schema')
   AND (t.oid OPERATOR(pg_catalog.>=) 16384 OR t.typtype OPERATOR(pg_catalog.<>) 'c')
