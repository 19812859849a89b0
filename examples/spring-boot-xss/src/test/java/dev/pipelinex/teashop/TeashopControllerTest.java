package dev.pipelinex.teashop;

import static org.hamcrest.Matchers.containsString;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.get;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.content;

import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.autoconfigure.web.servlet.WebMvcTest;
import org.springframework.test.web.servlet.MockMvc;

@WebMvcTest(TeashopController.class)
class TeashopControllerTest {

    @Autowired
    private MockMvc http;

    @Test
    void saysWhatWasSearchedFor() throws Exception {
        http.perform(get("/search").param("q", "oolong")).andExpect(content().string(containsString("No tea is called oolong.")));
    }

    @Test
    void escapesWhereItIsCareful() throws Exception {
        http.perform(get("/careful").param("q", "<b>")).andExpect(content().string(containsString("&lt;b&gt;")));
    }
}
