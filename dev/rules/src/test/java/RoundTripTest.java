import java.io.*;
import org.junit.jupiter.api.Test;
import org.yaml.snakeyaml.Yaml;

class RoundTripTest {

    @Test
    void comesBack() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new ObjectOutputStream(bytes).writeObject("greeting");
        ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()));
        // ok: java-unsafe-deserialization
        in.readObject();
        // ok: java-unsafe-deserialization
        new Yaml().load("a: b");
    }
}
