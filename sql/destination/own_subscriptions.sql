-- Subscriptions of this database that have no slot at any publisher: as a clone makes them. They keep it from being dropped.
-- Any role may read this. Run in the database itself.
SELECT s.subname::text AS name
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
 WHERE d.datname = pg_catalog.current_database()
   AND s.subslotname IS NULL
 ORDER BY s.subname
