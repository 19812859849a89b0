import java.io.InputStream;
import javax.xml.XMLConstants;
import javax.xml.parsers.*;
import javax.xml.stream.*;
import javax.xml.transform.TransformerFactory;

class Xml {

    void document(InputStream in) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        // ruleid: java-xxe
        DocumentBuilder builder = factory.newDocumentBuilder();
    }

    void documentWithoutDtd(InputStream in) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        // ok: java-xxe
        factory.newDocumentBuilder().parse(in);
    }

    void sax(InputStream in) throws Exception {
        // ruleid: java-xxe
        SAXParser parser = SAXParserFactory.newInstance().newSAXParser();
    }

    void saxWithoutDtd(InputStream in) throws Exception {
        SAXParserFactory factory = SAXParserFactory.newInstance();
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        // ok: java-xxe
        SAXParser parser = factory.newSAXParser();
    }

    void stream(InputStream in) throws Exception {
        XMLInputFactory factory = XMLInputFactory.newInstance();
        // ruleid: java-xxe
        XMLStreamReader reader = factory.createXMLStreamReader(in);
    }

    void streamWithoutDtd(InputStream in) throws Exception {
        XMLInputFactory factory = XMLInputFactory.newInstance();
        factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
        // ok: java-xxe
        XMLStreamReader reader = factory.createXMLStreamReader(in);
    }

    void transform() throws Exception {
        TransformerFactory factory = TransformerFactory.newInstance();
        // ruleid: java-xxe
        factory.newTransformer();
        TransformerFactory closed = TransformerFactory.newInstance();
        closed.setAttribute(XMLConstants.ACCESS_EXTERNAL_DTD, "");
        // ok: java-xxe
        closed.newTransformer();
    }
}
