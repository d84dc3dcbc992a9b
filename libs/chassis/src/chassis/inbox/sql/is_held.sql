SELECT EXISTS (
    SELECT FROM dead_letters
    WHERE consumer_group = :group AND topic = :topic AND key = :key AND state IN ('HELD', 'WAITING'))
