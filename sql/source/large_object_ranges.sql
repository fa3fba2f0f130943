-- Large objects in ranges of about 64 MiB, under the snapshot: each object is opened, measured and closed.
-- Needs SELECT on every large object, or superuser; an object that may not be read is an error that names it.
-- 262144 is INV_READ, 2 is SEEK_END (manual, chapter "Large Objects").
SELECT pg_catalog.min(s.oid) AS first,
       pg_catalog.max(s.oid) AS last,
       pg_catalog.count(*) AS objects,
       pg_catalog.sum(s.bytes)::pg_catalog.int8 AS bytes
  FROM (
       SELECT z.oid,
              z.bytes,
              pg_catalog.sum(z.bytes + 2048) OVER (ORDER BY z.oid)::pg_catalog.int8 / 67108864 AS range
         FROM (
              SELECT o.oid,
                     pg_catalog.lo_lseek64(o.fd, 0, 2) AS bytes,
                     pg_catalog.lo_close(o.fd) AS closed
                FROM (
                     SELECT m.oid,
                            pg_catalog.lo_open(m.oid, 262144) AS fd
                       FROM pg_catalog.pg_largeobject_metadata AS m
                     OFFSET 0) AS o
              OFFSET 0) AS z) AS s
 GROUP BY s.range
 ORDER BY s.range
