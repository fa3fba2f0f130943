-- Large objects without their contents. Owners, privileges and comments are read with everybody else's.
SELECT l.oid
FROM pg_catalog.pg_largeobject_metadata AS l
ORDER BY l.oid;
