package dev.pipelinex.toolbox;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import org.junit.jupiter.api.Test;

class AccountsTest {

    private final Accounts accounts = new Accounts();

    @Test
    void hashesPasswords() throws Exception {
        assertEquals("5f4dcc3b5aa765d61d8327deb882cf99", accounts.hash("password"));
    }

    @Test
    void makesAnotherTokenEachTime() {
        assertNotEquals(accounts.newToken(), accounts.newToken());
    }
}
