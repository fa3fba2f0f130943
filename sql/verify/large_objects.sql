-- Number of large objects and an order-independent hash of their numbers and bytes, read in parts of 256 KiB.
-- Needs SELECT on every large object, or superuser. 262144 is INV_READ and also the part, 2 is SEEK_END.
SELECT pg_catalog.count(DISTINCT o.oid)::pg_catalog.text AS objects,
       pg_catalog.sum(pg_catalog.hashtextextended(
           pg_catalog.concat_ws(' ', o.oid, o.bytes, p.start,
                                pg_catalog.md5(pg_catalog.lo_get(o.oid, p.start, 262144))), 0))::pg_catalog.text AS hash
  FROM (
       SELECT z.oid,
              pg_catalog.lo_lseek64(z.fd, 0, 2) AS bytes,
              pg_catalog.lo_close(z.fd) AS closed
         FROM (
              SELECT m.oid,
                     pg_catalog.lo_open(m.oid, 262144) AS fd
                FROM pg_catalog.pg_largeobject_metadata AS m
              OFFSET 0) AS z
       OFFSET 0) AS o
 CROSS JOIN LATERAL pg_catalog.generate_series(0, greatest(o.bytes - 1, 0), 262144) AS p (start)
