package dev.pipelinex.guestbook;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;

/** What is written can be read: where a database is there. */
@SpringBootTest
@EnabledIfEnvironmentVariable(named = "SPRING_DATASOURCE_URL", matches = "jdbc:postgresql:.*")
class EntriesTest {

    @Autowired
    private Entries entries;

    @Test
    void whatIsWrittenIsRead() {
        entries.add("Grace was here");
        assertEquals(List.of("Grace was here"), entries.newest(1));
    }
}
