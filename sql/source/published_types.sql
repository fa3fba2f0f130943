-- The types of the columns of these tables. $1 their oids.
SELECT DISTINCT a.atttypid AS type
  FROM pg_catalog.pg_attribute AS a
 WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
