import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.Statement;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.web.bind.annotation.*;

class Users {

    private static final String TABLE = "users";
    private JdbcTemplate jdbc;
    private EntityManager entities;
    private Connection connection;

    void byStatement(String name) throws Exception {
        Statement statement = connection.createStatement();
        // ruleid: java-sql-injection
        statement.executeQuery("SELECT * FROM users WHERE name = '" + name + "'");
        String sql = "DELETE FROM users WHERE name = '" + name + "'";
        // ruleid: java-sql-injection
        connection.createStatement().executeUpdate(sql);
        // ruleid: java-sql-injection
        PreparedStatement joined = connection.prepareStatement("SELECT 1 FROM users WHERE name = '" + name + "'");
        // ok: java-sql-injection
        PreparedStatement prepared = connection.prepareStatement("SELECT * FROM users WHERE name = ?");
        prepared.setString(1, name);
        // ok: java-sql-injection
        statement.executeQuery("SELECT count(*) FROM users");
    }

    Object byTemplate(String name, long id) {
        // ruleid: java-sql-injection
        jdbc.queryForList("SELECT * FROM users WHERE name = '" + name + "'");
        // ruleid: java-sql-injection
        jdbc.update(String.format("UPDATE users SET seen = now() WHERE name = '%s'", name));
        // ok: java-sql-injection
        jdbc.update("UPDATE " + TABLE + " SET seen = now() WHERE name = ?", name);
        // ok: java-sql-injection
        jdbc.queryForList("SELECT * FROM users WHERE id = " + id);
        // ok: java-sql-injection
        return jdbc.queryForList("SELECT * FROM users WHERE name = ?", "%" + name + "%");
    }

    Object byEntities(String name) {
        StringBuilder jpql = new StringBuilder("SELECT u FROM User u");
        jpql.append(" WHERE u.name = '");
        jpql.append(name).append("'");
        // ruleid: java-sql-injection
        entities.createQuery(jpql.toString(), User.class);
        String chained = new StringBuilder("SELECT u FROM User u WHERE u.name = '").append(name).append("'").toString();
        // ruleid: java-sql-injection
        entities.createQuery(chained, User.class);
        // ruleid: java-sql-injection
        entities.createNativeQuery("SELECT * FROM users WHERE name = '" + name + "'");
        // ok: java-sql-injection
        return entities.createQuery("SELECT u FROM User u WHERE u.name = :name", User.class).setParameter("name", name);
    }

    @GetMapping("/users")
    Object handler(@RequestParam String order, @RequestParam String where) {
        // ruleid: java-sql-injection
        jdbc.queryForList(where);
        // ruleid: java-sql-injection
        return jdbc.queryForList("SELECT * FROM users ORDER BY " + order);
    }

    // Whoever joins the text is told, not whoever passes it on.
    Object run(String sql) {
        // ok: java-sql-injection
        return jdbc.queryForList(sql);
    }
}
