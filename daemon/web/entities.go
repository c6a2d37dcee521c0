package web

func (s *Server) getEntities(c *call) error   { return unsupported("not yet") }
func (s *Server) getEntity(c *call) error     { return unsupported("not yet") }
func (s *Server) putEntity(c *call) error     { return unsupported("not yet") }
func (s *Server) deleteEntity(c *call) error  { return unsupported("not yet") }
func (s *Server) restoreEntity(c *call) error { return unsupported("not yet") }
func (s *Server) syncEntity(c *call) error    { return unsupported("not yet") }
