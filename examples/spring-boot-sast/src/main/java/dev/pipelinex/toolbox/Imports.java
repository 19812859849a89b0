package dev.pipelinex.toolbox;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.net.URL;
import javax.net.ssl.HttpsURLConnection;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Document;
import org.xml.sax.SAXException;

/** Data of others, believed. */
class Imports {

    record Message(@JsonTypeInfo(use = JsonTypeInfo.Id.CLASS) Object content) {}

    Object fromJava(InputStream in) throws IOException, ClassNotFoundException {
        return new ObjectInputStream(in).readObject();
    }

    Document fromXml(InputStream in) throws ParserConfigurationException, SAXException, IOException {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(in);
    }

    InputStream fromPartner() throws IOException {
        HttpsURLConnection connection = (HttpsURLConnection) new URL("https://partner.example.com/export").openConnection();
        connection.setHostnameVerifier((host, session) -> true);
        return connection.getInputStream();
    }
}
