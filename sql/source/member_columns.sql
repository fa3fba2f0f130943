-- The columns of tables $1: their numbers, which a column keeps for good and no other one gets, and a sum of numbers and names
-- that tells whether anything of that is otherwise than before. $2 false: the sums alone.
SELECT a.attrelid AS oid,
       pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attnum, a.attgenerated, a.attname), ',' ORDER BY a.attnum)) AS sum,
       CASE WHEN $2 THEN pg_catalog.array_agg(a.attnum ORDER BY a.attnum) END AS numbers,
       CASE WHEN $2 THEN pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) END AS names,
       CASE WHEN $2 THEN pg_catalog.array_agg(a.attgenerated <> '' ORDER BY a.attnum) END AS generated
  FROM pg_catalog.pg_attribute AS a
 WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY a.attrelid
