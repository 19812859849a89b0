package dev.pipelinex.guestbook;

import java.util.List;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Repository;

@Repository
public class Entries {

    private final JdbcTemplate jdbc;

    public Entries(JdbcTemplate jdbc) {
        this.jdbc = jdbc;
    }

    public void add(String text) {
        jdbc.update("INSERT INTO entry (text) VALUES (?)", text);
    }

    public List<String> newest(int count) {
        return jdbc.queryForList("SELECT text FROM entry ORDER BY id DESC LIMIT ?", String.class, count);
    }
}
