-- The oldest open letter of a key, behind the one that was tried last. Where one is asked for by its id, those that it
-- waits behind come before it; a PARKED one waits behind nothing, and nothing behind it.
SELECT * FROM dead_letters
WHERE topic = :topic AND key = :key AND state IN ('HELD', 'WAITING', 'PARKED') AND id > :after
  AND (CAST(:id AS bigint) IS NULL OR id = :id
       OR (id < :id AND state <> 'PARKED'
           AND EXISTS (SELECT FROM dead_letters asked WHERE asked.id = :id AND asked.state <> 'PARKED')))
ORDER BY id LIMIT 1
