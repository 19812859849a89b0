package dev.pipelinex.guestbook;

import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.when;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.post;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.jsonPath;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.status;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.autoconfigure.web.servlet.WebMvcTest;
import org.springframework.test.context.bean.override.mockito.MockitoBean;
import org.springframework.test.web.servlet.MockMvc;

/** The web side alone, without a database. */
@WebMvcTest(GuestbookController.class)
class GuestbookControllerTest {

    @Autowired
    private MockMvc http;

    @MockitoBean
    private Entries entries;

    @Test
    void anEntryIsWrittenAndShown() throws Exception {
        when(entries.newest(GuestbookController.SHOWN)).thenReturn(List.of("Ada was here"));
        http.perform(post("/entries").param("text", " Ada was here "))
                .andExpect(status().isOk())
                .andExpect(jsonPath("$.entries[0]").value("Ada was here"));
        verify(entries).add("Ada was here");
    }
}
