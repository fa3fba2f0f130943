-- Of these tables those whose rows nothing but all of their columns identifies (REPLICA IDENTITY FULL) and no unique index finds:
-- one that is valid, over whole columns and all rows. Any role may read this.
-- $1 oids of tables.
SELECT n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::pg_catalog.oid[])
   AND c.relreplident = 'f'
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL)
 ORDER BY 1, 2
