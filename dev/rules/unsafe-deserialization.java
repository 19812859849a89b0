import com.fasterxml.jackson.annotation.*;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.jsontype.impl.LaissezFaireSubTypeValidator;
import com.thoughtworks.xstream.XStream;
import java.beans.XMLDecoder;
import java.io.*;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

class Reader implements Serializable {

    Object read(InputStream in) throws Exception {
        ObjectInputStream objects = new ObjectInputStream(in);
        // ruleid: java-unsafe-deserialization
        return objects.readObject();
    }

    Object readAtOnce(InputStream in) throws Exception {
        // ruleid: java-unsafe-deserialization
        return new ObjectInputStream(in).readObject();
    }

    Object readFiltered(InputStream in) throws Exception {
        ObjectInputStream objects = new ObjectInputStream(in);
        objects.setObjectInputFilter(ObjectInputFilter.Config.createFilter("dev.pipelinex.*;!*"));
        // ok: java-unsafe-deserialization
        return objects.readObject();
    }

    private void readObject(ObjectInputStream in) throws Exception {
        // ok: java-unsafe-deserialization
        Object field = in.readObject();
    }

    Object readXml(InputStream in) {
        // ruleid: java-unsafe-deserialization
        return new XMLDecoder(in).readObject();
    }

    Object readStream(String xml) {
        // ruleid: java-unsafe-deserialization
        XStream open = new XStream();
        // ok: java-unsafe-deserialization
        XStream stream = new XStream();
        stream.allowTypes(new Class[] {Reader.class});
        return stream.fromXML(xml);
    }

    Object readYaml(String text) {
        // ruleid: java-unsafe-deserialization
        new Yaml().load(text);
        // ok: java-unsafe-deserialization
        return new Yaml(new SafeConstructor(new LoaderOptions())).load(text);
    }

    void mapper(ObjectMapper mapper) {
        // ruleid: java-jackson-default-typing
        mapper.enableDefaultTyping();
        // ruleid: java-jackson-default-typing
        mapper.activateDefaultTyping(LaissezFaireSubTypeValidator.instance, ObjectMapper.DefaultTyping.NON_FINAL);
        // ok: java-jackson-default-typing
        mapper.activateDefaultTyping(BasicPolymorphicTypeValidator.builder().allowIfSubType("dev.pipelinex.").build());
    }

    static class ByClass {
        // ruleid: java-jackson-default-typing
        @JsonTypeInfo(use = JsonTypeInfo.Id.CLASS, property = "type") public Object value;
        // ok: java-jackson-default-typing
        @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type") public Object named;
    }
}
